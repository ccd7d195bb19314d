// Package rulebook looks after rules.yaml as a document: it watches the file, checks it whole, hands each section to its
// owner, remembers the last good version, and writes what people change in the page.
//
// All owners compile before any of them applies: a file with an error anywhere changes nothing. What is refused shows in
// Current until a good file takes its place.
//
// The text is the person's. It is never written anew from what was read in it: edits change the lines that they are about,
// and a save keeps comments, order, line ends, owner and mode. Literal secrets are blacked out in every text that leaves
// this package, and put back when such a text is saved.
package rulebook
