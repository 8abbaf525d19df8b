"""The three ways to the outside: PACSs, databases and folders, behind the ports of the steps."""
