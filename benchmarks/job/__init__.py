"""The whole job, between two real PACSs: what is moved, who moves it, and how it is measured."""
