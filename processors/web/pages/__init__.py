"""One file per page: what it asks of the view, and what it hands to its template."""
