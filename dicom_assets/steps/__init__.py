"""One function per arrow of a study's way, on ports alone."""
