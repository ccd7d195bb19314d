package ui

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// File is the data file as a person keeps it.
type File interface {
	FileStatus() dlq.FileStatus
	Adopt(ctx context.Context) error
	Snapshot(ctx context.Context) (dlq.Snapshot, error)
}

// adoptFile says that a copied data file is the only one in use.
func (s *Server) adoptFile(ctx context.Context, _ *none) (dlq.FileStatus, error) {
	if err := s.Store.Adopt(ctx); err != nil {
		return dlq.FileStatus{}, err
	}
	s.Logger.Warn("the data file was confirmed as the only one in use", "actor", actor(ctx))
	return s.Store.FileStatus(), nil
}

// backupTime bounds how long a backup may take to be made and fetched.
const backupTime = 6 * time.Hour

// getBackup hands out a copy of the data file that is whole, while the console works on.
func (s *Server) getBackup(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	// Not every writer has deadlines; one without is not cut off either.
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(backupTime))
	copied, err := s.Store.Snapshot(c.Request().Context())
	if err != nil {
		return err
	}
	defer copied.Close() // it is only read
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/vnd.sqlite3")
	h.Set("Content-Length", fmt.Sprint(copied.Size))
	h.Set("Content-Disposition", `attachment; filename="dlq-backup.db"`)
	h.Set("DLQ-Letters", fmt.Sprint(copied.Letters))
	c.Response().WriteHeader(http.StatusOK)
	_, err = io.Copy(c.Response(), copied)
	s.Logger.Info("a backup was fetched", "actor", actor(c.Request().Context()), "bytes", copied.Size, "error", err)
	return nil // the head is out: what follows can only be cut off
}
