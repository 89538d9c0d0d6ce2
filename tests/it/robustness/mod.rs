//! Tests faults, crashes, limits and input from hostile endpoints.

mod fault_matrix;
mod hostile_responses;
mod limits;
mod mutated_inputs;
mod process_killed;
mod secrets;
mod security;
