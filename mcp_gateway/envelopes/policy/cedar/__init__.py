"""Cedar: the model, the schema made from real tools, and the engine behind the door."""
