//! The way of the data: from a recipe and its lock to an output directory.
