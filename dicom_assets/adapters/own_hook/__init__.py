"""A registration hook of one's own, in a process of its own: it may hang, crash and print, and nobody is harmed."""
