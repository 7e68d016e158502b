//! The plugins in the tree: source, module and manifest belong together.
