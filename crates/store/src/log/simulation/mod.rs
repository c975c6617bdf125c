//! Seeded histories on a disk that loses what was not synced: crashes at any operation, failed and lying syncs, power
//! losses that keep any part of what was under way. After each, everything that was acknowledged must be there, and no
//! size may ever have two roots.

mod disk;
mod history;
