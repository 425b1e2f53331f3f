"""Clean sessions in, sessions with one fault each out, and what every rule says about them.

`corpus` makes sessions out of `scenes`; `blocks` has the faults, a function each, beside the id of the rule that should
notice; `measure` plays whole sessions through the dissector and all rules and counts; `table` publishes. A fault is
made from the protocol's point of view (this answer was never sent, this register jumped back), not from the rule's
condition. A rule without a fault is listed as not measured.
"""
