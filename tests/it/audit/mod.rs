//! Queries of the recorded history, and its verification.

mod archive;
mod as_of;
mod bundle;
mod changes;
mod checkpoints;
mod closed_findings;
mod compliance_rules;
mod dependency_rules;
mod findings;
mod forged_bundle;
mod last_complete;
mod ocsf_events;
mod property_rules;
mod query_cost;
mod rule_sources;
mod rules_of_one_account;
mod throttled_reads;
mod verify;
mod verify_edits;
mod verify_edits_after_runs;
mod verify_no_false_alarms;
