package terminal

import (
	"strconv"
	"strings"
)

// color is a colour as SGR names it: 0 is the terminal's own, the rest carry
// their kind above 24 bits.
type color uint32

const (
	paletteColor color = 1 << 24
	rgbColor     color = 2 << 24
)

// attr is a set of text attributes; bit n stands for SGR code attrCodes[n].
type attr uint8

// attrCodes are the SGR codes of the attributes: bold, faint, italic,
// underline, blink, reverse, conceal, strike.
var attrCodes = [8]int{1, 2, 3, 4, 5, 7, 8, 9}

const (
	attrBold, attrFaint = attr(1 << 0), attr(1 << 1)
	// attrsOnBlank are the attributes that show on a cell without a glyph.
	attrsOnBlank = attr(1<<3 | 1<<5 | 1<<7)
)

// style is how a cell looks. The zero value is the terminal's default.
type style struct {
	fg, bg color
	attr   attr
}

// onBlank is the style as far as it shows on a space: without it a space
// between two bold words and one between two plain ones would differ, and be
// sent again.
func (s style) onBlank() style {
	s.attr &= attrsOnBlank
	if s.attr == 0 {
		s.fg = 0
	}
	return s
}

// apply returns the style after an SGR sequence with these parameters. What it
// does not know changes nothing.
func (s style) apply(params string) style {
	codes := sgrCodes(params)
	for i := 0; i < len(codes); i++ {
		c := codes[i]
		switch {
		case c == 0:
			s = style{}
		case c == 22:
			s.attr &^= attrBold | attrFaint
		case c >= 1 && c <= 9:
			s.attr |= attrOf(c)
		case c >= 23 && c <= 29:
			s.attr &^= attrOf(c - 20)
		case c >= 30 && c <= 37:
			s.fg = paletteColor | color(c-30)
		case c >= 40 && c <= 47:
			s.bg = paletteColor | color(c-40)
		case c >= 90 && c <= 97:
			s.fg = paletteColor | color(c-90+8)
		case c >= 100 && c <= 107:
			s.bg = paletteColor | color(c-100+8)
		case c == 39:
			s.fg = 0
		case c == 49:
			s.bg = 0
		case c == 38 || c == 48 || c == 58:
			col, n := extendedColor(codes[i+1:])
			i += n
			if c == 38 {
				s.fg = col
			} else if c == 48 {
				s.bg = col
			}
		}
	}
	return s
}

// attrOf is the attribute that an SGR code from 1 to 9 sets.
func attrOf(code int) attr {
	for i, c := range attrCodes {
		if c == code || (c == 5 && code == 6) { // fast blink is blink
			return 1 << i
		}
	}
	return 0
}

// extendedColor reads what follows 38 or 48 and says how many codes it took.
func extendedColor(codes []int) (color, int) {
	switch {
	case len(codes) >= 2 && codes[0] == 5:
		return paletteColor | color(codes[1]&0xff), 2
	case len(codes) >= 4 && codes[0] == 2:
		r, g, b := color(codes[1]&0xff), color(codes[2]&0xff), color(codes[3]&0xff)
		return rgbColor | r<<16 | g<<8 | b, 4
	}
	return 0, len(codes)
}

// sgrCodes splits SGR parameters; an empty one is 0. Of parameters with parts
// (4:3, a curly underline) only the underline is known.
func sgrCodes(params string) []int {
	codes := make([]int, 0, 8)
	for part := range strings.SplitSeq(params, ";") {
		if head, _, parts := strings.Cut(part, ":"); parts {
			if part != "4:0" && head == "4" {
				codes = append(codes, 4)
			}
			continue
		}
		code, err := strconv.Atoi(part)
		if err == nil || part == "" {
			codes = append(codes, code)
		}
	}
	return codes
}

// appendTo appends the sequence that turns the style from into s, nothing when
// they are equal. Attributes are taken away by a reset alone: a VT100 knows no
// other way, and it is the shorter one.
func (s style) appendTo(buf []byte, from style) []byte {
	if s == from {
		return buf
	}
	if s == (style{}) {
		return append(buf, "\x1b[m"...)
	}
	buf = append(buf, "\x1b["...)
	if from.attr&^s.attr != 0 {
		buf = append(buf, "0;"...)
		from = style{}
	}
	for i, c := range attrCodes {
		if (s.attr&^from.attr)&(1<<i) != 0 {
			buf = append(strconv.AppendInt(buf, int64(c), 10), ';')
		}
	}
	if s.fg != from.fg {
		buf = s.fg.appendTo(buf, 30)
	}
	if s.bg != from.bg {
		buf = s.bg.appendTo(buf, 40)
	}
	buf[len(buf)-1] = 'm' // in place of the last ';'
	return buf
}

// appendTo appends the parameters of a colour; base is 30 for the text and 40
// for the ground behind it.
func (c color) appendTo(buf []byte, base int64) []byte {
	n := int64(c & 0xff)
	switch {
	case c == 0:
		buf = strconv.AppendInt(buf, base+9, 10)
	case c&rgbColor != 0:
		buf = append(strconv.AppendInt(buf, base+8, 10), ";2;"...)
		buf = append(strconv.AppendInt(buf, int64(c>>16&0xff), 10), ';')
		buf = append(strconv.AppendInt(buf, int64(c>>8&0xff), 10), ';')
		buf = strconv.AppendInt(buf, n, 10)
	case n < 8:
		buf = strconv.AppendInt(buf, base+n, 10)
	case n < 16:
		buf = strconv.AppendInt(buf, base+60+n-8, 10)
	default:
		buf = append(strconv.AppendInt(buf, base+8, 10), ";5;"...)
		buf = strconv.AppendInt(buf, n, 10)
	}
	return append(buf, ';')
}
