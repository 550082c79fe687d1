"""Claims about pictures of a table, as tasks of one step: say where a named thing is, or pick and place it."""
