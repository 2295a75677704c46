//! Procedures that decide who may join, and what clients may do.
