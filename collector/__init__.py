"""The edge box: polls meters, commits readings, forwards them until the plant says stored."""
