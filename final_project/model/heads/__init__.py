"""What is on top of an encoder: pools, the classifier made of encoder, pool and linear layer, multi-sample dropout."""
