"""Coverage-guided fuzzing of the de-identification engine."""
