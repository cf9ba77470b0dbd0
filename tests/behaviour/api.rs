//! How the API answers, request by request.

mod objects;
