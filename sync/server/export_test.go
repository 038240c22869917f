package server

// Endpoints lists what the server answers, as "METHOD /path".
func (s *Server) Endpoints() (out []string) {
	for _, e := range s.endpoints() {
		out = append(out, e.method+" "+e.path)
	}
	return out
}
