//! The CloudFormation templates: resources, permissions, regions.

mod auditor_policy;
mod checkpoints;
mod compliance_function;
mod dependencies_function;
mod function_role;
mod lake;
mod parameters;
mod partitions;
mod permissions;
mod regions;
mod source_regions;
mod state_machine;
mod table_definition;
mod template;
mod watch;
