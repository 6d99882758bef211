"""What passes between a client and a model, in no dialect: requests, answers, the events of a stream. Pure."""
