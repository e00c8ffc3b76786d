import './style/index.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { PageContext, createPage } from './context.ts';

const page = createPage();
void page.daemon.start();
render(
  <PageContext.Provider value={page}>
    <App />
  </PageContext.Provider>,
  document.getElementById('app')!,
);
