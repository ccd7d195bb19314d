// Package bodytext reads the bodies of messages for people: in which charset a text is written, which texts stand in bytes
// that are none, and what is inside bytes that an application has compressed.
//
// It guesses, so what it finds is for looking, searching and judging. What is sent are the bytes as they came, or a text that
// a person wrote, in the charset that it was read in.
package bodytext
