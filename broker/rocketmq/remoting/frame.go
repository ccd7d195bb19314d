package remoting

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// A frame is: int32 length of what follows, int32 header info (serialization << 24 | header length), header, body.
const (
	headerJSON   = 0
	headerBinary = 1
	maxHeader    = 1<<24 - 1
)

type jsonHeader struct {
	Code     int               `json:"code"`
	Language string            `json:"language,omitempty"`
	Version  int               `json:"version"`
	Opaque   int32             `json:"opaque"`
	Flag     int               `json:"flag"`
	Remark   string            `json:"remark,omitempty"`
	Ext      map[string]string `json:"extFields"`
}

func encodeFrame(cmd *Command) ([]byte, error) {
	head, err := json.Marshal(jsonHeader{Code: cmd.Code, Language: "GO", Version: cmd.Version, Opaque: cmd.Opaque, Flag: cmd.Flag, Remark: cmd.Remark, Ext: cmd.Ext})
	if err != nil {
		return nil, fmt.Errorf("encode request header: %w", err)
	}
	if len(head) > maxHeader || len(head)+len(cmd.Body) > math.MaxInt32-4 {
		return nil, errors.New("encode request: too long for a frame")
	}
	frame := make([]byte, 8, 8+len(head)+len(cmd.Body))
	binary.BigEndian.PutUint32(frame, uint32(4+len(head)+len(cmd.Body)))
	binary.BigEndian.PutUint32(frame[4:], headerJSON<<24|uint32(len(head)))
	frame = append(frame, head...)
	return append(frame, cmd.Body...), nil
}

// readFrame reads one frame of at most max bytes.
func readFrame(r io.Reader, max int) (*Command, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > max {
		return nil, fmt.Errorf("frame of %d bytes: outside 4 to %d", n, max)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return decodeFrame(frame)
}

// decodeFrame decodes what follows the length. The body is a slice of frame.
func decodeFrame(frame []byte) (*Command, error) {
	if len(frame) < 4 {
		return nil, errors.New("frame: header info missing")
	}
	info := binary.BigEndian.Uint32(frame)
	n := int(info & maxHeader)
	if n > len(frame)-4 {
		return nil, fmt.Errorf("frame: header of %d bytes in a frame of %d", n, len(frame))
	}
	head, body := frame[4:4+n], frame[4+n:]
	var cmd *Command
	var err error
	switch info >> 24 {
	case headerJSON:
		cmd, err = decodeJSONHeader(head)
	case headerBinary:
		cmd, err = decodeBinaryHeader(head)
	default:
		err = fmt.Errorf("serialization %d unknown", info>>24)
	}
	if err != nil {
		return nil, fmt.Errorf("frame header: %w", err)
	}
	if len(body) > 0 {
		cmd.Body = body
	}
	return cmd, nil
}

func decodeJSONHeader(head []byte) (*Command, error) {
	std, err := standardJSON(head)
	if err != nil {
		return nil, err
	}
	var h struct {
		Code    int             `json:"code"`
		Version int             `json:"version"`
		Opaque  int32           `json:"opaque"`
		Flag    int             `json:"flag"`
		Remark  string          `json:"remark"`
		Ext     map[string]text `json:"extFields"`
	}
	if err := json.Unmarshal(std, &h); err != nil {
		return nil, err
	}
	cmd := &Command{Code: h.Code, Version: h.Version, Opaque: h.Opaque, Flag: h.Flag, Remark: h.Remark}
	if h.Ext != nil {
		cmd.Ext = make(map[string]string, len(h.Ext))
		for k, v := range h.Ext {
			cmd.Ext[k] = string(v)
		}
	}
	return cmd, nil
}

// decodeBinaryHeader decodes the ROCKETMQ serialization (RocketMQSerializable.java): code 2, language 1,
// version 2, opaque 4, flag 4, remark 4 + n, fields 4 + n, where a field is name 2 + n, value 4 + n.
func decodeBinaryHeader(head []byte) (*Command, error) {
	r := wire{b: head}
	cmd := &Command{Code: int(int16(r.u16()))}
	r.take(1)
	cmd.Version = int(r.u16())
	cmd.Opaque = int32(r.u32())
	cmd.Flag = int(int32(r.u32()))
	cmd.Remark = string(r.take(int(int32(r.u32()))))
	fields := wire{b: r.take(int(int32(r.u32())))}
	if r.short {
		return nil, io.ErrUnexpectedEOF
	}
	for len(fields.b) > 0 {
		name := string(fields.take(int(fields.u16())))
		value := string(fields.take(int(int32(fields.u32()))))
		if fields.short {
			return nil, io.ErrUnexpectedEOF
		}
		if cmd.Ext == nil {
			cmd.Ext = map[string]string{}
		}
		cmd.Ext[name] = value
	}
	return cmd, nil
}

// wire takes big-endian values off the front of b; after one that was not there whole, short is set and all
// further values are zero.
type wire struct {
	b     []byte
	short bool
}

func (w *wire) take(n int) []byte {
	if w.short || n < 0 || n > len(w.b) {
		w.short = true
		w.b = nil
		return nil
	}
	v := w.b[:n:n]
	w.b = w.b[n:]
	return v
}

func (w *wire) u8() byte {
	if v := w.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (w *wire) u16() uint16 {
	if v := w.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (w *wire) u32() uint32 {
	if v := w.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (w *wire) u64() uint64 {
	if v := w.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}
