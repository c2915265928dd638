"""Any Metal kernel on any machine: what knows no op and imports nothing of the loader around it."""
