//! What is offered can be done, and what is not offered is refused by the API server too.

mod account;
mod personas;
mod renewal;
mod users;
