// Package store keeps letters in one SQLite file. It is the only package that knows SQL.
package store
