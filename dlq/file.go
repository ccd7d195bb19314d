package dlq

import (
	"io"
	"time"
)

// FileState says whether the data file is still the one that the console works on.
type FileState string

// The states of the data file. In all but FileOK and FileCopy nothing is written any more.
const (
	FileOK         FileState = "ok"
	FileCopy       FileState = "copy"        // it was copied or restored: nothing is sent until a person confirms that it is the only one in use
	FileRemoved    FileState = "removed"     // its name leads nowhere any more
	FileReplaced   FileState = "replaced"    // its name leads to another file
	FileLogRemoved FileState = "log_removed" // the write-ahead log beside it was removed or replaced
)

// FileStates lists the states.
var FileStates = []FileState{FileOK, FileCopy, FileRemoved, FileReplaced, FileLogRemoved}

// FileStatus is how the data file is.
type FileStatus struct {
	State FileState   `json:"state"`
	Path  string      `json:"path,omitempty"` // in every state but ok
	From  *FileOrigin `json:"from,omitempty"` // of a copy
}

// FileOrigin is where a data file was used before it was copied, as far as it says itself.
type FileOrigin struct {
	Host string    `json:"host"`
	Path string    `json:"path"`
	At   time.Time `json:"at"` // when a console last opened it there
}

// Snapshot is a copy of the data file, read once and then closed.
type Snapshot struct {
	io.ReadCloser
	Size    int64 // bytes
	Letters int64 // in it
}
