package hangoutstest

// ring keeps the newest limit values and counts all.
type ring[T any] struct {
	limit int
	list  []T
	first int // number of the oldest value kept
}

func (r *ring[T]) add(v T) {
	if len(r.list) >= 2*r.limit {
		cut := len(r.list) - r.limit
		r.list = append([]T(nil), r.list[cut:]...)
		r.first += cut
	}
	r.list = append(r.list, v)
}

// since returns the values from number n on and the number of the next one.
func (r *ring[T]) since(n int) ([]T, int) {
	next := r.first + len(r.list)
	at := min(max(n-r.first, 0), len(r.list))
	return append([]T(nil), r.list[at:]...), next
}
