"""One thin module a stage, in the order of the flow: params → the library → outs and reports."""
