"""What no study uses any more: what studies refer to, what is left over beside it, and its removal."""
