package remoting

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameRoundTrip(t *testing.T) {
	want := &Command{Code: RequestSendMessage, Version: Version, Opaque: 7, Remark: "r", Ext: map[string]string{"topic": "%RETRY%组", "properties": "a\x01b\x02"}, Body: []byte{0, 1, 255}}
	frame, err := encodeFrame(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readFrame(bytes.NewReader(frame), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFrameHeaderOnTheWire(t *testing.T) {
	frame, err := encodeFrame(&Command{Code: 206, Version: 317, Opaque: 1, Ext: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(frame[8:], &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"code":206,"language":"GO","version":317,"opaque":1,"flag":0,"extFields":{"k":"v"}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if total := binary.BigEndian.Uint32(frame); int(total) != len(frame)-4 || frame[4] != headerJSON {
		t.Errorf("length %d, serialization %d", total, frame[4])
	}
}

// binaryFrame makes a frame with the ROCKETMQ header, as a server would.
func binaryFrame(cmd *Command) []byte {
	var fields []byte
	for k, v := range maps.All(cmd.Ext) {
		fields = binary.BigEndian.AppendUint16(fields, uint16(len(k)))
		fields = append(fields, k...)
		fields = binary.BigEndian.AppendUint32(fields, uint32(len(v)))
		fields = append(fields, v...)
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(cmd.Code))
	head = append(head, 0)
	head = binary.BigEndian.AppendUint16(head, uint16(cmd.Version))
	head = binary.BigEndian.AppendUint32(head, uint32(cmd.Opaque))
	head = binary.BigEndian.AppendUint32(head, uint32(cmd.Flag))
	head = binary.BigEndian.AppendUint32(head, uint32(len(cmd.Remark)))
	head = append(head, cmd.Remark...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(fields)))
	head = append(head, fields...)
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)+len(cmd.Body)))
	frame = binary.BigEndian.AppendUint32(frame, headerBinary<<24|uint32(len(head)))
	return append(append(frame, head...), cmd.Body...)
}

func TestBinaryHeaderIsRead(t *testing.T) {
	want := &Command{Code: 17, Version: 513, Opaque: -2, Flag: flagAnswer, Remark: "没有", Ext: map[string]string{"a": "1", "b": strings.Repeat("x", 70000)}, Body: []byte("body")}
	got, err := readFrame(bytes.NewReader(binaryFrame(want)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBareExtensionValuesAreRead(t *testing.T) {
	head := `{"code":0,"flag":1,"language":"JAVA","opaque":3,"extFields":{"queueOffset":12,"x":null},"serializeTypeCurrentRPC":"JSON"}`
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)
	got, err := decodeFrame(frame)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Command{Flag: 1, Opaque: 3, Ext: map[string]string{"queueOffset": "12", "x": ""}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadFramesAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":            {},
		"cut length":       {0, 0},
		"negative length":  {255, 255, 255, 255},
		"tiny length":      {0, 0, 0, 3, 1, 2, 3},
		"too long":         {0, 1, 0, 0},
		"cut":              {0, 0, 0, 10, 0, 0},
		"header too long":  {0, 0, 0, 5, 0, 0, 0, 2, '{'},
		"unknown type":     {0, 0, 0, 6, 9, 0, 0, 2, '{', '}'},
		"no JSON":          {0, 0, 0, 6, 0, 0, 0, 2, 'n', 'o'},
		"cut binary":       {0, 0, 0, 6, 1, 0, 0, 2, 0, 0},
		"binary remark -1": append([]byte{0, 0, 0, 25, 1, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{255}, 8)...),
	} {
		t.Run(name, func(t *testing.T) {
			if cmd, err := readFrame(bytes.NewReader(b), 1000); err == nil {
				t.Errorf("accepted as %+v", cmd)
			}
		})
	}
	if _, err := readFrame(bytes.NewReader([]byte{0, 0, 0, 10, 0}), 1000); err != io.ErrUnexpectedEOF {
		t.Errorf("a cut frame gives %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, cmd := range []*Command{{Code: 105, Ext: map[string]string{"topic": "T"}}, {Code: 0, Flag: 1, Remark: "r", Body: []byte("{}")}} {
		frame, err := encodeFrame(cmd)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
		f.Add(binaryFrame(cmd))
	}
	f.Add([]byte{0, 0, 0, 6, 0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := readFrame(bytes.NewReader(b), 1<<20)
		if err != nil {
			return
		}
		frame, err := encodeFrame(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readFrame(bytes.NewReader(frame), 8<<20); err != nil {
			t.Fatalf("%+v cannot be read back: %v", cmd, err)
		}
	})
}

func FuzzBinaryHeader(f *testing.F) {
	for _, cmd := range []*Command{{Code: 17, Remark: "r", Ext: map[string]string{"a": "b"}}, {}} {
		f.Add(binaryFrame(cmd)[8:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := decodeBinaryHeader(b)
		if err == nil && len(cmd.Remark) > len(b) {
			t.Fatalf("a remark of %d bytes out of %d", len(cmd.Remark), len(b))
		}
	})
}

func TestSignature(t *testing.T) {
	// The content is the values in the order of their names: AccessKey, SecurityToken, a, b; then the body.
	cmd := &Command{Ext: map[string]string{"b": "2", "a": "1", uniqueKeyQuery: "true", "Signature": "old"}, Body: []byte("body")}
	Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}.sign(cmd)
	if got, want := cmd.Ext["Signature"], hmacSHA1("sk", "akst12body"); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	plain := &Command{Ext: map[string]string{}}
	Credentials{}.sign(plain)
	if len(plain.Ext) != 0 {
		t.Errorf("signed without credentials: %v", plain.Ext)
	}
}

func TestSecretsStayOutOfTexts(t *testing.T) {
	c := Credentials{AccessKey: "ak", SecretKey: "very-secret", SecurityToken: "token-too"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := sprintf(format, c) + sprintf(format, Options{Credentials: c}); strings.Contains(s, "secret") || strings.Contains(s, "token") {
			t.Errorf("%s prints %s", format, s)
		}
	}
}
