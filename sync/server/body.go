package server

import (
	"compress/gzip"
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

// readBody reads a request's body within the protocol's limits: one for what
// travels, outside the decompression, and one for what it grows to, inside.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Problem) {
	var src io.Reader = http.MaxBytesReader(w, r.Body, wire.MaxBody)
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
	case "gzip":
		gz, err := gzip.NewReader(src)
		if err != nil {
			return nil, bodyProblem(err)
		}
		src = gz
	case "zstd":
		// The window bounds the memory that a frame may ask for before it has sent anything.
		zr, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(wire.MaxExpanded), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, bodyProblem(err)
		}
		defer zr.Close()
		src = zr
	default:
		return nil, &wire.Problem{Status: http.StatusUnsupportedMediaType, Code: wire.CodeBadRequest,
			Message: fmt.Sprintf("the body's encoding %q is not understood", clip(enc)), Hint: "send it plain, as gzip or as zstd"}
	}
	body, err := io.ReadAll(io.LimitReader(src, wire.MaxExpanded+1))
	switch {
	case err != nil:
		return nil, bodyProblem(err)
	case len(body) > wire.MaxExpanded:
		return nil, tooLarge(fmt.Sprintf("the body holds more than %d bytes once decompressed", wire.MaxExpanded))
	case tooDeep(body):
		return nil, badRequest("the body nests deeper than %d", maxDepth)
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
