-- More is held in memory before it is written out: fewer, larger segments.
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
-- `gt` and `ge` ask for the upper end.
CREATE INDEX number_high ON number (parameter, high, pk);
CREATE INDEX quantity_high ON quantity (parameter, high, pk);
