// Package handlers decides what happens to letters and lets people decide.
//
//   - Intake takes batches of dead messages from a broker, has them classified, plans each one's way and hands all of it
//     to the store as one piece.
//   - plan.go says which way: retry.go, manual.go and compensate.go hold the three paths, automation.go when the console
//     may go one without a person.
//   - Compensator asks compensation endpoints and does what they answer.
//   - Desk is where people act on letters and applications report why they failed a message.
//   - Waker brings snoozed letters back.
//   - Switch keeps the automation switch.
//
// Nothing here sends a message to a broker: a letter becomes due, and the replay package does it.
package handlers
