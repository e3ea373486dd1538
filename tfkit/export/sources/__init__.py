"""What a model can come from: each source writes itself as a SavedModel and says what the right answers are."""
