// Runs before the first paint, so that a chosen theme or language does not flash. Kept apart from the page's code because
// the page's policy allows no inline script.
;(root => {
  try {
    const theme = localStorage.getItem('dlq.theme')
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme
    if (localStorage.getItem('dlq.lang') === 'zh') root.lang = 'zh-CN'
  } catch {
    // Storage can be forbidden; the system's theme is used then.
  }
})(document.documentElement)
