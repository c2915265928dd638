"""Other packages with their recurrences routed to the ops of this one, each in a module of its own."""
