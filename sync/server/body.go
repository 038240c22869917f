package server

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"

	"example.com/punchlist/sync/wire"
)

// maxDepth is how deep a request's JSON may nest; the protocol needs four.
const maxDepth = 8

const (
	// maxEnrol is the largest body of an enrolment: nobody is known yet, so
	// anybody may send one.
	maxEnrol = 16 << 10
	// easy is how much a body may grow to without waiting its turn.
	easy = 256 << 10
)

// readBody reads a request's body within the protocol's limits, of which limit
// may lower that for what travels and what it grows to alike.
//
// What is sent takes the memory that was sent, no more. It is unpacked when all
// of it is here, twice: to see how much it comes to, which takes no memory, and
// then into just so much. Bodies that grow large do so one at a time, so that
// bombs from many hands cost the others little; no slow sender holds that turn.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *wire.Problem) {
	packed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, min(limit, wire.MaxBody)))
	if err != nil {
		return nil, bodyProblem(err)
	}
	body, bad := s.expand(r, packed, min(limit, wire.MaxExpanded))
	if bad == nil && tooDeep(body) {
		return nil, badRequest("the body nests deeper than %d", maxDepth)
	}
	return body, bad
}

func (s *Server) expand(r *http.Request, packed []byte, limit int64) ([]byte, *wire.Problem) {
	var unpack func() (io.ReadCloser, error)
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
		return packed, nil
	case "gzip":
		unpack = func() (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(packed)) }
	case "zstd":
		unpack = func() (io.ReadCloser, error) {
			// The window bounds the memory that a frame may ask for before it has sent anything.
			z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(wire.MaxExpanded), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
			return z.IOReadCloser(), nil
		}
	default:
		return nil, &wire.Problem{Status: http.StatusUnsupportedMediaType, Code: wire.CodeBadRequest,
			Message: fmt.Sprintf("the body's encoding %q is not understood", clip(enc)), Hint: "send it plain, as gzip or as zstd"}
	}
	in, err := unpack()
	if err != nil {
		return nil, bodyProblem(err)
	}
	defer in.Close()
	size, err := io.CopyN(io.Discard, in, easy+1)
	if err == nil {
		select {
		case s.unpacking <- struct{}{}:
			defer func() { <-s.unpacking }()
		case <-r.Context().Done():
			return nil, bodyProblem(r.Context().Err())
		}
		var more int64
		more, err = io.CopyN(io.Discard, in, limit-size+1)
		size += more
	}
	switch {
	case err == nil || size > limit:
		return nil, tooLarge(fmt.Sprintf("the body holds more than %d bytes once decompressed", limit))
	case !errors.Is(err, io.EOF):
		return nil, bodyProblem(err)
	}
	again, err := unpack()
	if err != nil {
		return nil, bodyProblem(err)
	}
	defer again.Close()
	body := make([]byte, size)
	if _, err := io.ReadFull(again, body); err != nil {
		return nil, bodyProblem(err)
	}
	return body, nil
}

func bodyProblem(err error) *wire.Problem {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge(fmt.Sprintf("the body holds more than %d bytes", over.Limit))
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return tooLarge(fmt.Sprintf("the body holds more than %d bytes once decompressed", wire.MaxExpanded))
	}
	return badRequest("the body cannot be read: %v", err)
}

func tooLarge(message string) *wire.Problem {
	return &wire.Problem{Status: http.StatusRequestEntityTooLarge, Code: wire.CodeTooLarge, Message: message,
		Hint: fmt.Sprintf("send at most %d changes and %d bytes at once", wire.MaxOps, wire.MaxBody)}
}

func badRequest(format string, args ...any) *wire.Problem {
	return &wire.Problem{Status: http.StatusBadRequest, Code: wire.CodeBadRequest, Message: clip(fmt.Sprintf(format, args...))}
}

// notJSON says why a body is not what was asked for. The names of the program's own
// types, which the library's text holds, are nobody's business.
func notJSON(what string, err error) *wire.Problem {
	var typed *json.UnmarshalTypeError
	if !errors.As(err, &typed) {
		return badRequest("the body is not %s: %v", what, err)
	}
	where := "the whole"
	if typed.Field != "" {
		where = fmt.Sprintf("%q", clip(typed.Field))
	}
	return badRequest("the body is not %s: %s cannot be a JSON %s", what, where, clip(typed.Value))
}

// tooDeep looks at brackets outside strings only: cheap, before any decoding.
func tooDeep(b []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
