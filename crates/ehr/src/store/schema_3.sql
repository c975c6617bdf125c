-- Spans that are longer than a day: a range of dates finds the others by where they begin.
CREATE INDEX date_long ON date (parameter, low, high, pk) WHERE high - low > 86400000000;
-- Words come folded and marked with their type: everything but ASCII's separators is part of one.
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (narrative, content, content='', contentless_delete=1, detail=column, tokenize='ascii');
INSERT INTO words (words, rank) VALUES ('automerge', 16);
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
