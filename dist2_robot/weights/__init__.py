"""Files of weights, and how large a network may become that is built for them."""
