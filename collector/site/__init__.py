"""Tools for the day on site: scan, read, decode, dump and check --live. They ask meters; they keep nothing and write to none."""
