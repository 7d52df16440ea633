"""The plant side: stores readings, makes energy, finds waste, prices it, shows it."""
