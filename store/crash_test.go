package store

func childWorks(string) {}
