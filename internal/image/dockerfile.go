package image

// Dockerfile is one build of a Dockerfile, with everything that decides about it besides the files.
type Dockerfile struct {
	Context string // absolute
	File    string // absolute
	Ignore  string // absolute; it need not exist
	Target  string
	Args    map[string]string
	Odd     string // what the build uses that is more than its Dockerfile and its context, in words; empty: nothing
}
