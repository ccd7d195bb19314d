package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"deadletteroffice/dlq"
	"deadletteroffice/store"
)

// backupCommand makes a copy of the data file: of a running console over its API, else of the file itself.
func backupCommand(ctx context.Context, args []string, env environment) error {
	const use = "dlq backup [--server ADDRESS | --data PATH] FILE"
	set := flag.NewFlagSet("dlq backup", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	to := remoteFlags(set, env)
	data := set.String("data", "", "the SQLite file of a console that is stopped; without it a running console is asked")
	var file string
	if err := parseClient(set, args, env, use, 1, &file); err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return dlq.Errorf(dlq.CodeRefused, "the file %s exists already", file).WithHint("a backup replaces nothing; give another name")
	}
	copied, from, done, err := openBackup(ctx, *data, to, env)
	if err != nil {
		return err
	}
	defer done()
	if err := writeBackup(file, copied); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s: %d letters, %d bytes, a whole copy of %s.\nA console that opens it starts with automation off and everything stopped, until `dlq adopt` or the button on the page says that it is the only one in use.\n",
		file, copied.Letters, copied.Size, from)
	return err
}

// openBackup opens the copy, and says what it is a copy of.
func openBackup(ctx context.Context, data string, to *remote, env environment) (copied dlq.Snapshot, from string, done func(), err error) {
	if data == "" {
		c, err := to.client(env)
		if err != nil {
			return copied, "", nil, err
		}
		copied, err = c.backup(ctx)
		if dlq.CodeOf(err) == dlq.CodeUnavailable {
			err = dlq.Errorf(dlq.CodeUnavailable, "%w", err).WithHint("--server names a running console; --data names the file of one that is stopped")
		}
		return copied, "the data file of " + c.base, func() { _ = copied.Close() }, err
	}
	if _, err := os.Stat(data); err != nil { // opening would make it
		return copied, "", nil, dlq.Errorf(dlq.CodeNotFound, "there is no data file %s", data).WithHint("give another path with --data")
	}
	s, err := store.Open(ctx, store.Options{Path: data, Logger: slog.New(slog.NewTextHandler(env.stderr, nil))})
	if err != nil {
		return copied, "", nil, err
	}
	copied, err = s.Snapshot(ctx)
	if err != nil {
		return copied, "", nil, errors.Join(err, s.Close())
	}
	return copied, data, func() { _ = errors.Join(copied.Close(), s.Close()) }, nil
}

// writeBackup writes a copy under its name only when it is whole and on the disk.
func writeBackup(file string, copied dlq.Snapshot) (err error) {
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-")
	if err != nil {
		return dlq.Errorf(dlq.CodeInvalid, "the backup cannot be written: %w", err).WithHint("give the name of a file in a folder that exists")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	n, err := io.Copy(part, copied)
	if err == nil && n != copied.Size {
		err = io.ErrUnexpectedEOF
	}
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return dlq.Errorf(dlq.CodeUnavailable, "the backup broke off after %d of %d bytes: %w", n, copied.Size, err).WithHint("is there room on the disk? try again")
	}
	if err := os.Link(part.Name(), file); err != nil { // unlike a rename it replaces nothing
		return fmt.Errorf("naming the backup: %w", err)
	}
	return os.Remove(part.Name())
}

// backup asks the console for a copy of its data file.
func (c *client) backup(ctx context.Context) (copied dlq.Snapshot, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/file/backup", nil)
	if err != nil {
		return copied, fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("User-Agent", "dlq/"+version)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	w, err := c.http.Do(r)
	if err != nil {
		return copied, c.away(ctx, err)
	}
	if w.StatusCode != http.StatusOK {
		defer w.Body.Close()
		raw, err := io.ReadAll(io.LimitReader(w.Body, callAnswerMax))
		if err != nil {
			return copied, c.away(ctx, err)
		}
		return copied, c.refusal(w, raw)
	}
	letters, err := strconv.ParseInt(w.Header.Get("DLQ-Letters"), 10, 64)
	if err != nil || w.ContentLength <= 0 {
		return copied, errors.Join(c.stranger(w, err), w.Body.Close())
	}
	return dlq.Snapshot{ReadCloser: w.Body, Size: w.ContentLength, Letters: letters}, nil
}

// adoptCommand says that a data file is the only one in use, though it is a copy or has lost its log.
func adoptCommand(ctx context.Context, args []string, env environment) error {
	const use = "dlq adopt [--without-log] --data PATH"
	set := flag.NewFlagSet("dlq adopt", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	data := set.String("data", "", "the SQLite file; its console must be stopped")
	withoutLog := set.Bool("without-log", false, "the write-ahead log of the file is lost for good: go on with what the file itself holds")
	if err := parseClient(set, args, env, use, 0); err != nil {
		return err
	}
	if *data == "" {
		return usageErrorf("%s: the data file must be named", use)
	}
	if _, err := os.Stat(*data); err != nil { // opening would make it
		return dlq.Errorf(dlq.CodeNotFound, "there is no data file %s", *data).WithHint("give another path with --data")
	}
	if *withoutLog {
		if err := store.ForgetLog(ctx, *data); err != nil {
			return err
		}
	}
	s, err := store.Open(ctx, store.Options{Path: *data, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	before := s.FileStatus()
	if err := errors.Join(s.Adopt(ctx), s.Close()); err != nil {
		return err
	}
	if before.State != dlq.FileCopy {
		_, err = fmt.Fprintf(env.stdout, "%s is no copy; nothing needed to be said.\n", *data)
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s is now the one in use in place of %s on %s. Automation is off and everything is stopped: look at what is in flight, then lift the stop on the page.\n",
		*data, before.From.Path, before.From.Host)
	return err
}
