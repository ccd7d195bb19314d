package rulebook

import "github.com/aymanbagabas/go-udiff"

// Diff returns what changed between two texts as a unified diff with three lines around each change, "" for nothing. It
// gives up looking for the shortest one when the texts have little in common, so that it never takes long.
func Diff(oldName, old, newName, text string) string {
	return udiff.Unified(oldName, newName, old, text)
}
