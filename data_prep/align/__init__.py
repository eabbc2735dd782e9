"""Photo → crop: detector, landmarks, similarity transform, report."""
