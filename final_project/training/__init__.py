"""Distributed training: ranks, engines, batches, optimizer, checkpoints, and the loop that both stages share."""
