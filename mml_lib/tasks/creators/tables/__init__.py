"""Parts of the creator `csv`; what stands for no target is common to creators."""
