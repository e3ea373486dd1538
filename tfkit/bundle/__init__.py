"""What is uploaded: a model's archive, its service JSON and warm-up file, with their checksums and evidence."""
